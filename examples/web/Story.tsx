/** The latest caption, told to those who do not see it, too; and those before it. */
import type { Caption } from "./model.js"

const ago = (millis: number): string => {
  const whole = Math.floor(Math.max(0, millis) / 1000)
  return whole < 60 ? `${whole} s ago` : `${Math.floor(whole / 60)} min ago`
}

export const Story = ({ captions, now }: { readonly captions: ReadonlyArray<Caption>; readonly now: number }) => {
  const [latest, ...before] = captions
  return (
    <div class="story">
      <h2 class="visually-hidden">What just happened</h2>
      <p class={`caption ${latest?.tone ?? "plain"}`} data-testid="caption" aria-live="polite">
        {latest?.text ?? "Connecting."}
      </p>
      <ol class="before" aria-label="Before that">
        {before.slice(0, 3).map(({ at, text }) => (
          <li key={`${at} ${text}`}>
            <time>{ago(now - at)}</time> {text}
          </li>
        ))}
      </ol>
    </div>
  )
}
