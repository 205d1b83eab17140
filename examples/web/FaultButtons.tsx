import { seconds } from "./captions.js"
import { type Action, type Deed, deeds, type Fault, type Faults } from "./faults.js"

const standing = (fault: Fault, now: number): string => {
  switch (fault._tag) {
    case "None":
      return "Nothing is broken on purpose."
    case "Silent":
      return "Silent: nothing passes on this connection, and nobody is told. Heal it, or wait for the deadline."
    case "Slow":
      return "Slow: each way takes 1.5 s longer, until you heal it."
    case "Refused":
      return `Refused: the server answers 503 for another ${seconds(fault.until - now)}.`
  }
}

const isOn = (action: Action, fault: Fault): boolean =>
  (action === "silence" && fault._tag === "Silent") ||
  (action === "slow" && fault._tag === "Slow") ||
  (action === "refuse" && fault._tag === "Refused")

export const FaultButtons = ({ faults, now }: { readonly faults: Faults; readonly now: number }) => {
  const fault = faults.current
  const button = (deed: Deed) => (
    <li key={deed.action}>
      <button
        type="button"
        class={`fault ${deed.action}${isOn(deed.action, fault) ? " on" : ""}`}
        aria-describedby={`hint-${deed.action}`}
        data-testid={`fault-${deed.action}`}
        onClick={() => void faults.apply(deed)}
      >
        {deed.label}
      </button>
      <span id={`hint-${deed.action}`} class="hint">
        {deed.hint}
      </span>
    </li>
  )
  return (
    <div class="faults">
      <h2>Break it</h2>
      <ul>{deeds.map(button)}</ul>
      <p class={`standing ${fault._tag}`} data-testid="fault">
        {standing(fault, now)}
      </p>
    </div>
  )
}
