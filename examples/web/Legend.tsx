/** What the drawing's signs mean: each drawn as it is there. */
import type { ComponentChildren } from "preact"

const Sign = ({ children, width = 16 }: { readonly children: ComponentChildren; readonly width?: number }) => (
  <svg width={width} height="14" viewBox={`0 0 ${width} 14`} aria-hidden="true">
    {children}
  </svg>
)

const signs: ReadonlyArray<readonly [sign: ComponentChildren, meaning: string]> = [
  [<rect key="" class="band Ready" x="1" y="2" width="14" height="10" rx="2" />, "Ready"],
  [<rect key="" class="band Connecting" x="1" y="2" width="14" height="10" rx="2" />, "Connecting"],
  [<rect key="" class="band Waiting" x="1" y="2" width="14" height="10" rx="2" />, "Waiting"],
  [<path key="" class="start Fresh" d="M8 1 l6 6 l-6 6 l-6 -6 z" />, "session begun"],
  [<path key="" class="start Resumed" d="M8 1 l6 6 l-6 6 l-6 -6 z" />, "session resumed"],
  [<path key="" class="start Reset" d="M3 2 L13 12 M13 2 L3 12" />, "session lost, reset"],
  [
    <g key="" class="beat">
      <path d="M8 13 V5" />
      <circle cx="8" cy="5" r="3" />
    </g>,
    "heartbeat, as high as its round trip"
  ],
  [
    <g key="" class="beat lost">
      <path d="M8 13 V5" />
      <circle cx="8" cy="5" r="3" />
    </g>,
    "heartbeat never answered"
  ],
  [<path key="" class="silence" d="M1 13 L13 3 V13 z" />, "silence, growing towards the deadline"],
  [<path key="" class="delay" d="M1 3 L15 13 H1 z" />, "delay before the next attempt, running down"],
  [<path key="" class="mark Sent" d="M8 2 l5 9 h-10 z" />, "sent"],
  [<circle key="" class="mark Acknowledged" cx="8" cy="7" r="4" />, "acknowledged"],
  [<path key="" class="mark Replayed" d="M8 1 l6 6 l-6 6 l-6 -6 z" />, "sent again"],
  [<rect key="" class="mark Line" x="6" y="2" width="4" height="10" />, "line of the room"]
]

export const Legend = () => (
  <ul class="legend" aria-label="Legend">
    {signs.map(([sign, meaning]) => (
      <li key={meaning}>
        <Sign>{sign}</Sign> {meaning}
      </li>
    ))}
  </ul>
)
