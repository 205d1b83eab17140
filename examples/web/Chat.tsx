/** The room: what is said in it, who is there, a line to say something, and a button to send something large. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { ChatLog, Fate, Line } from "./chatLog.js"
import type { Model } from "./model.js"
import type { Settings } from "./settings.js"
import { Upload } from "./Upload.js"

const wordsOf = (fate: Fate): string => {
  switch (fate._tag) {
    case "Waiting":
      return "waiting…"
    case "Processed":
      return "✓ processed"
    default:
      return fate.words
  }
}

const OneLine = ({ line: { fate, from, text }, me }: { readonly line: Line; readonly me: string }) => (
  <li class={from === "" ? "notice" : from === me ? "line mine" : "line"} data-testid={from === "" ? "notice" : "line"}>
    {from !== "" && <b class="from">{from}</b>} <span class="text">{text}</span>{" "}
    {fate !== undefined && (
      <span class={`fate ${fate._tag}`} data-testid="line-state" data-state={fate._tag}>
        {wordsOf(fate)}
      </span>
    )}
  </li>
)

interface ChatProps {
  readonly log: ChatLog
  readonly model: Model
  readonly settings: Settings
  readonly say: (text: string) => void
  readonly upload: () => void
}

export const Chat = ({ log, model, say, settings, upload }: ChatProps) => {
  const list = useRef<HTMLOListElement>(null)
  const isAtEnd = useRef(true)
  const [draft, setDraft] = useState("")
  const { isFull, lines, members } = log
  const last = lines.at(-1)?.key

  // Also when an own line has taken its place among the others: their number is the same then.
  useEffect(() => {
    if (isAtEnd.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  }, [last, lines.length])

  const onScroll = ({
    currentTarget: { clientHeight, scrollHeight, scrollTop }
  }: {
    readonly currentTarget: HTMLElement
  }) => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40
  }
  const onSubmit = (event: Event) => {
    event.preventDefault()
    const text = draft.trim()
    if (text === "" || isFull) return
    isAtEnd.current = true
    say(text)
    setDraft("")
  }

  return (
    <section class="panel chat" aria-labelledby="room">
      <h2 id="room">#{settings.room}</h2>
      <p class="members" data-testid="members">
        {members.length === 0 ? "Nobody is here yet." : `Here: ${members.join(", ")}`}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must by the keyboard, too */}
      <ol ref={list} class="lines" data-testid="lines" aria-label="What was said" tabIndex={0} onScroll={onScroll}>
        {lines.length === 0 && <li class="notice">Nothing was said yet. Say something, then break the connection.</li>}
        {lines.map((line) => (
          <OneLine key={line.key} line={line} me={settings.name} />
        ))}
      </ol>
      <form class="say" onSubmit={onSubmit}>
        <label class="visually-hidden" for="say">
          Say something
        </label>
        <input
          id="say"
          data-testid="say"
          value={draft}
          onInput={({ currentTarget }) => setDraft(currentTarget.value)}
          maxLength={1000}
          autocomplete="off"
          placeholder="Say something, connected or not"
        />
        <button type="submit" disabled={isFull}>
          Say
        </button>
      </form>
      <Upload model={model} upload={upload} />
    </section>
  )
}
