/** Asks before a session is disconnected, and says what came of it. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { SessionRow } from "../model.js"
import { disconnect } from "./api.js"

type Whom = "session" | "principal"

export const DisconnectDialog = (props: {
  readonly session: SessionRow
  readonly close: (outcome: string | undefined) => void
}) => {
  const { id, principal } = props.session
  const dialog = useRef<HTMLDialogElement>(null)
  const [whom, setWhom] = useState<Whom>("session")
  const [reason, setReason] = useState("")
  const [isAsking, setAsking] = useState(false)
  const [error, setError] = useState<string | undefined>(undefined)
  useEffect(() => dialog.current?.showModal(), [])
  const confirm = async () => {
    setAsking(true)
    setError(undefined)
    try {
      const { disconnected } = await disconnect(whom === "session" ? { session: id } : { principal }, reason.trim())
      const sessions = disconnected === 1 ? "1 session was" : `${disconnected} sessions were`
      // Gives the focus back to the button that opened it.
      dialog.current?.close()
      props.close(`${sessions} disconnected (${principal}).`)
    } catch (cause) {
      setError(cause instanceof Error ? cause.message : "it failed")
      setAsking(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby="disconnect-title" onClose={() => props.close(undefined)}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void confirm()
        }}
      >
        <h2 id="disconnect-title">Disconnect {principal}?</h2>
        <p>The client is told that its session was ended, and does not come back by itself.</p>
        <fieldset>
          <legend>What to end</legend>
          <label>
            <input type="radio" name="whom" checked={whom === "session"} onChange={() => setWhom("session")} />
            <span>
              this session, <code>{id}</code>
            </span>
          </label>
          <label>
            <input type="radio" name="whom" checked={whom === "principal"} onChange={() => setWhom("principal")} />
            <span>
              all sessions of <strong>{principal}</strong>, on every gateway
            </span>
          </label>
        </fieldset>
        <label class="field">
          <span>Reason, told to the client</span>
          <input
            type="text"
            value={reason}
            maxLength={120}
            placeholder="disconnected by an operator"
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        {error === undefined ? null : (
          <p class="stale" role="alert">
            It was not done: {error}.
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="danger solid" data-testid="confirm-disconnect" disabled={isAsking}>
            Disconnect
          </button>
        </div>
      </form>
    </dialog>
  )
}
