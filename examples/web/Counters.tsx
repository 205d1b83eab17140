import type { Model } from "./model.js"

interface Counter {
  readonly id: string
  readonly label: string
  readonly value: number
  readonly hint: string
}

const counters = ({ stats }: Model): ReadonlyArray<Counter> => [
  { id: "sent", label: "Sent", value: stats?.sent ?? 0, hint: "accepted for delivery in this session" },
  { id: "acknowledged", label: "Acknowledged", value: stats?.acknowledged ?? 0, hint: "processed by the server" },
  {
    id: "unacknowledged",
    label: "Kept",
    value: stats?.unacknowledged.messages ?? 0,
    hint: "until the server has processed them"
  },
  { id: "replayed", label: "Replayed", value: stats?.replayed ?? 0, hint: "sent again after a resume" },
  { id: "suppressed", label: "Suppressed", value: stats?.suppressed ?? 0, hint: "came twice, and were dropped" }
]

export const Counters = ({ model }: { readonly model: Model }) => (
  <dl class="counters">
    {counters(model).map(({ hint, id, label, value }) => (
      <div key={id} class={id}>
        <dt>{label}</dt>
        <dd>
          <b data-testid={id}>{value}</b> <span class="hint">{hint}</span>
        </dd>
      </div>
    ))}
  </dl>
)
