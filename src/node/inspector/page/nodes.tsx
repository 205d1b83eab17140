/** The gateways on the same store. */
import type { Nodes as Said } from "../model.js"
import { count } from "./format.js"
import { usePoll } from "./poll.js"
import { Time } from "./sessions.js"
import { Stale } from "./table.js"

export const Nodes = (props: { readonly paused: boolean; readonly now: number; readonly here: string | undefined }) => {
  const polled = usePoll<Said>("nodes", 3000, props.paused)
  return (
    <section class="block">
      <div class="title">
        <h2>Gateways</h2>
        <p class="quiet">on the same store, as each last said of itself</p>
      </div>
      <Stale what="gateways" polled={polled} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section class="frame" aria-label="Gateways" tabIndex={0}>
        <table data-testid="nodes-table">
          <thead>
            <tr>
              <th scope="col">Node</th>
              <th scope="col">Address</th>
              <th scope="col">Since</th>
              <th scope="col" class="numeric">
                Connections
              </th>
              <th scope="col" class="numeric">
                Sessions
              </th>
            </tr>
          </thead>
          <tbody>
            {polled.data?.nodes.map((node) => (
              <tr key={node.id} data-testid="node-row">
                <th scope="row">
                  <code>{node.id}</code>
                  {node.id === props.here ? " (this one)" : ""}
                </th>
                <td>{node.address}</td>
                <td>
                  <Time now={props.now} at={node.since} />
                </td>
                <td class="numeric">{count(node.connections)}</td>
                <td class="numeric">{count(node.sessions)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  )
}
