/** What becomes of a caller who asks for a session: every answer of the store, and what is here when it comes. */
import { assert, describe, it } from "@effect/vitest"
import type { Session, SessionStore } from "holdfast"
import { type Decision, plan } from "../../src/gateway/resumePlan.js"

const session: SessionStore.StoredSession = {
  id: "s",
  principal: "ann",
  subprotocol: "holdfast.v1.json",
  generation: 3,
  processed: 0,
  acked: 0,
  sent: 0,
  outbound: [],
  mail: [],
  refused: [],
  invitations: []
}
const attached: SessionStore.Attached = { _tag: "Attached", session }
const nobody = { ended: undefined, generation: undefined }
const full = { _tag: "GatewayFull", reason: "full" } as const

const decided = (
  here: { readonly ended: Session.SessionEnd | undefined; readonly generation: number | undefined },
  revoked?: string,
  refusal?: typeof full
): Decision["_tag"] => plan(attached, here, revoked, refusal)._tag

describe("A session that the store gives", () => {
  it("goes on where it lives, if nobody else has had it since", () => {
    assert.strictEqual(decided({ ended: undefined, generation: 2 }), "GoOn")
  })

  it("is looked at again where it lives as it was before others had it", () => {
    assert.strictEqual(decided({ ended: undefined, generation: 1 }), "Outdated")
  })

  it("is a newer connection's, where that has come meanwhile", () => {
    for (const generation of [3, 4]) {
      assert.deepInclude(plan(attached, { ended: undefined, generation }, undefined, undefined), {
        _tag: "Close",
        code: 4409
      })
    }
  })

  it("lives here from now on where it did not, unless there is no room", () => {
    assert.strictEqual(decided(nobody), "Restore")
    assert.strictEqual(decided(nobody, undefined, full), "Full")
    assert.strictEqual(decided({ ended: { _tag: "MovedAway" }, generation: undefined }), "Restore")
  })

  it("is over where it ended while the store answered, and whatever else is so", () => {
    const ended: Session.SessionEnd = { _tag: "Expired" }
    assert.deepStrictEqual(plan(attached, { ended, generation: 2 }, "banned", full), {
      _tag: "Over",
      instead: { _tag: "Begin", reason: "expired" }
    })
  })

  it("is nobody's whose principal was disconnected meanwhile", () => {
    assert.strictEqual(decided({ ended: undefined, generation: 2 }, "banned"), "Revoked")
    assert.strictEqual(decided(nobody, "banned", full), "Revoked")
  })
})
