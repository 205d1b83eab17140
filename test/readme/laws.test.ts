import { it } from "@effect/vitest"
import { Broker, SessionStore } from "holdfast"
import { BrokerLaws, SessionStoreLaws } from "holdfast/testing"

SessionStoreLaws.suite(SessionStore.layerMemory(), (law, holds) => it.effect(law, () => holds))
BrokerLaws.suite(Broker.layerMemory(), (law, holds) => it.effect(law, () => holds))
