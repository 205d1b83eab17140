import { type Settings, timings } from "./settings.js"

const inSeconds = (millis: number) => `${millis / 1000} s`

/** A form that loads the page again: a session is one person's. */
const Who = ({ settings }: { readonly settings: Settings }) => (
  <form class="who" method="get" aria-label="Who you are, and where">
    <label>
      Your name <input name="name" defaultValue={settings.name} maxLength={40} required autocomplete="off" />
    </label>
    <label>
      Room <input name="room" defaultValue={settings.room} maxLength={20} required autocomplete="off" />
    </label>
    {timings.map(([key, value]) => (
      <input key={key} type="hidden" name={key} value={value} />
    ))}
    <button type="submit">Change</button>
  </form>
)

export const Intro = ({ settings }: { readonly settings: Settings }) => (
  <header>
    <h1>Holdfast</h1>
    <p>
      A chat over one WebSocket <b>session</b> that must not be lost. Heartbeats prove that the connection lives;
      silence up to the <b>read deadline</b> proves that it is dead. Then it is dialled again, after growing delays, and
      the session <b>resumes</b>: nothing is lost, nothing is processed twice.{" "}
      <b>Break it below, go on chatting, and watch.</b>
    </p>
    <p class="aside">
      To be watched, this page beats every {inSeconds(settings.heartbeat)} and gives up after{" "}
      {inSeconds(settings.deadline)} of silence; the library's defaults are 30 s and 60 s. Open a second tab to talk to.
    </p>
    <Who settings={settings} />
  </header>
)
