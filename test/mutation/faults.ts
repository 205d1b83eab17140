/** All faults, by mechanism. */
import type { Group } from "./fault.js"
import * as codec from "./faults/codec.js"
import * as connection from "./faults/connection.js"
import * as gateway from "./faults/gateway.js"
import * as givenUp from "./faults/givenUp.js"
import * as keep from "./faults/keep.js"
import * as limits from "./faults/limits.js"
import * as many from "./faults/many.js"
import * as manyGateways from "./faults/manyGateways.js"
import * as outcomes from "./faults/outcomes.js"
import * as pages from "./faults/pages.js"
import * as parts from "./faults/parts.js"
import * as presence from "./faults/presence.js"
import * as reconnect from "./faults/reconnect.js"
import * as session from "./faults/session.js"
import * as sessionStore from "./faults/sessionStore.js"
import * as surface from "./faults/surface.js"
import * as topics from "./faults/topics.js"

export const groups: ReadonlyArray<Group> = [
  session.group,
  sessionStore.group,
  connection.group,
  parts.group,
  reconnect.group,
  keep.group,
  surface.group,
  gateway.group,
  outcomes.group,
  givenUp.group,
  limits.group,
  topics.group,
  presence.group,
  pages.group,
  manyGateways.group,
  codec.group,
  many.group
]
