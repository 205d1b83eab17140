/** One large message: a button that sends it, and how much of it has arrived. */
import type { Model, Upload as Sent } from "./model.js"

const count = (bytes: number) => bytes.toLocaleString("en")

const stateOf = ({ fate, received, size }: Sent): string => {
  switch (fate._tag) {
    case "Processed":
      return "✓ arrived"
    case "Waiting":
      return size === 0 ? "waiting…" : `${count(received)} of ${count(size)} bytes have arrived`
    default:
      return fate.words
  }
}

const percent = ({ fate, received, size }: Sent): number =>
  fate._tag === "Processed" ? 100 : size === 0 ? 0 : (100 * received) / size

const Progress = ({ sent }: { readonly sent: Sent }) => (
  <div class="progress">
    <span class={`fate ${sent.fate._tag}`} data-testid="upload-state">
      {stateOf(sent)}
    </span>
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${percent(sent)}%` }} />
    </span>
  </div>
)

export const Upload = ({ model, upload }: { readonly model: Model; readonly upload: () => void }) => (
  <div class="upload">
    <button
      type="button"
      data-testid="upload"
      onClick={upload}
      disabled={model.upload?.fate._tag === "Waiting"}
      aria-describedby="hint-upload"
    >
      Upload 1 MB
    </button>
    {model.upload !== undefined && <Progress sent={model.upload} />}
    <p id="hint-upload" class="hint">
      One message, in parts. Slow the connection to see it travel, and cut it: what has arrived is not sent again. What
      you say meanwhile comes after it.
    </p>
  </div>
)
