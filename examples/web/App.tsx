import { Chat } from "./Chat.js"
import { Counters } from "./Counters.js"
import type { ChatLog } from "./chatLog.js"
import { FaultButtons } from "./FaultButtons.js"
import type { Faults } from "./faults.js"
import { Intro } from "./Intro.js"
import { Legend } from "./Legend.js"
import type { Model } from "./model.js"
import { Now } from "./Now.js"
import { Story } from "./Story.js"
import type { Controls } from "./session.js"
import type { Settings } from "./settings.js"
import { Timeline } from "./Timeline.js"

export interface AppProps {
  readonly model: Model
  readonly log: ChatLog
  readonly faults: Faults
  readonly controls: Controls
  readonly settings: Settings
  readonly now: number
}

export const App = ({ controls, faults, log, model, now, settings }: AppProps) => (
  <>
    <Intro settings={settings} />
    <main>
      <Chat log={log} model={model} settings={settings} say={controls.say} upload={controls.upload} />
      <div class="life">
        <section class="panel" aria-label="The connection now">
          <Now model={model} now={now} reconnect={controls.reconnect} />
          <FaultButtons faults={faults} now={now} />
        </section>
        <section class="panel" aria-label="The last minute of the connection">
          <Story captions={model.captions} now={now} />
          <Timeline model={model} now={now} />
          <Legend />
        </section>
        <section class="panel" aria-label="What was counted">
          <Counters model={model} />
        </section>
      </div>
    </main>
  </>
)
