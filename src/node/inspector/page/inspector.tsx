/** The whole page. */
import { useState } from "preact/hooks"
import type { Overview, SessionRow } from "../model.js"
import { DisconnectDialog } from "./disconnectDialog.js"
import { Nodes } from "./nodes.js"
import { usePoll } from "./poll.js"
import { Sessions } from "./sessions.js"
import { Facts, overviewPath, Plots, type Seen, withSamples } from "./summary.js"
import { Stale } from "./table.js"
import { Topics } from "./topics.js"

export const Inspector = () => {
  const [paused, setPaused] = useState(false)
  const [leaving, setLeaving] = useState<SessionRow | undefined>(undefined)
  const [outcome, setOutcome] = useState("")
  const polled = usePoll<Overview, Seen>("overview", 1000, paused, overviewPath, withSamples)
  const { at, data } = polled
  // Times are the gateway's, whatever this machine's clock says; while paused they stand still.
  const now = data === undefined ? Date.now() : data.overview.now + (paused ? 0 : Date.now() - at)
  return (
    <>
      <header>
        <h1>Holdfast inspector</h1>
        <p class="quiet">{data === undefined ? "" : `${data.overview.address} · node ${data.overview.node}`}</p>
        <button type="button" data-testid="pause" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? "Go on" : "Pause"}
        </button>
      </header>
      <main>
        <p role="status" class="outcome">
          {paused ? "Paused: nothing here changes until you go on. " : ""}
          {outcome}
        </p>
        <Stale what="figures" polled={polled} />
        {data === undefined ? null : <Facts {...data.overview} />}
        <Plots samples={data?.samples ?? []} />
        <Sessions paused={paused} now={now} disconnect={setLeaving} />
        <Topics paused={paused} now={now} />
        <Nodes paused={paused} now={now} here={data?.overview.node} />
      </main>
      {leaving === undefined ? null : (
        <DisconnectDialog
          session={leaving}
          close={(said) => {
            setLeaving(undefined)
            if (said !== undefined) setOutcome(said)
          }}
        />
      )}
    </>
  )
}
