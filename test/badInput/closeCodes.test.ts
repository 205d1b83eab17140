/** The design's close-code table, row by row, and what a reason becomes on the wire. */
import { assert, describe, it } from "@effect/vitest"
import { CloseCode, ConnectionError } from "holdfast"
import { closeTable } from "./support.js"

describe("the verdict on a close code", () => {
  for (const { code, verdict, why } of closeTable) {
    it(`${code}: ${verdict} (${why})`, () => {
      assert.deepStrictEqual<unknown>(CloseCode.verdict(code), { _tag: verdict, why })
    })
  }

  it("1000 after bye: Stop (Ended); after bye any other code means what it means", () => {
    assert.deepStrictEqual<unknown>(CloseCode.verdict(1000, { byeSent: true }), { _tag: "Stop", why: "Ended" })
    for (const { code, verdict, why } of closeTable) {
      if (code === 1000) continue
      assert.deepStrictEqual<unknown>(CloseCode.verdict(code, { byeSent: true }), { _tag: verdict, why })
    }
  })

  it("is total: 4500 to 4999 stop, every other code that is not listed resumes", () => {
    const listed = new Set(closeTable.map(({ code }) => code))
    for (let code = 0; code <= 65_535; code++) {
      if (listed.has(code)) continue
      const expected = code >= 4500 && code <= 4999 ? "Stop" : "Resume"
      assert.strictEqual(CloseCode.verdict(code)._tag, expected, String(code))
    }
  })
})

describe("the verdict on an attempt", () => {
  const url = "ws://x"
  const cases: ReadonlyArray<readonly [ConnectionError.AttemptError, string, string]> = [
    [new ConnectionError.ClosedByPeer({ code: 4409, reason: "" }), "Stop", "TakenOver"],
    [new ConnectionError.ClosedLocally({ code: 4408, reason: "" }), "Resume", "HelloTimeout"],
    [new ConnectionError.PeerViolation({ code: 1007, reason: "" }), "Stop", "Refused"],
    [new ConnectionError.ConnectionLost({}), "Resume", "Lost"],
    [new ConnectionError.ReadDeadlineExceeded({ lastActivity: 0, deadline: 1 }), "Resume", "Lost"],
    [new ConnectionError.WriteDeadlineExceeded({ since: 0, deadline: 1 }), "Resume", "Lost"],
    [new ConnectionError.ConnectTimeout({ url, timeout: 1 }), "Resume", "Lost"],
    [new ConnectionError.DialFailed({ url, cause: "no" }), "Resume", "Lost"],
    [new ConnectionError.TokenUnavailable({ cause: "no" }), "Resume", "Lost"],
    [new ConnectionError.WelcomeTimeout({ timeout: 1 }), "Resume", "HelloTimeout"]
  ]
  for (const [end, tag, why] of cases) {
    it(`${end._tag}: ${tag} (${why})`, () => {
      assert.deepStrictEqual<unknown>(CloseCode.verdictOf(end), { _tag: tag, why })
    })
  }

  const statuses: ReadonlyArray<readonly [number, string, string]> = [
    [200, "Resume", "TryLater"],
    [301, "Stop", "Refused"],
    [400, "Stop", "Refused"],
    [401, "Stop", "NotAuthenticated"],
    [403, "Stop", "NotAllowed"],
    [404, "Resume", "TryLater"],
    [408, "Resume", "TryLater"],
    [425, "Resume", "TryLater"],
    [426, "Stop", "Refused"],
    [429, "Resume", "TooManyRequests"],
    [500, "Resume", "TryLater"],
    [502, "Resume", "TryLater"],
    [503, "Resume", "TryLater"]
  ]
  for (const [status, tag, why] of statuses) {
    it(`HTTP ${status}: ${tag} (${why})`, () => {
      const end = new ConnectionError.DialRefused({ url, status, body: "", retryAfter: undefined })
      assert.deepStrictEqual<unknown>(CloseCode.verdictOf(end), { _tag: tag, why })
    })
  }
})

describe("the classic questions", () => {
  it("isUnexpected: none of those that were expected", () => {
    assert.isTrue(CloseCode.isUnexpected(1006, 1000, 1001))
    assert.isFalse(CloseCode.isUnexpected(1001, 1000, 1001))
    assert.isTrue(CloseCode.isUnexpected(1000))
  })

  it("isSendable: what RFC 6455 lets an endpoint put into a close frame", () => {
    const ranges = [
      [1000, 1003],
      [1007, 1014],
      [3000, 4999]
    ] as const
    for (let code = 0; code <= 65_535; code++) {
      const sendable = ranges.some(([from, to]) => code >= from && code <= to)
      assert.strictEqual(CloseCode.isSendable(code), sendable, String(code))
    }
  })

  it("every code that Holdfast closes with by itself is sendable", () => {
    const { Abnormal, NoStatus, ...ours } = CloseCode.CloseCode
    for (const code of Object.values(ours)) assert.isTrue(CloseCode.isSendable(code), String(code))
    assert.deepStrictEqual([NoStatus, Abnormal].map(CloseCode.isSendable), [false, false])
  })
})

describe("truncateReason", () => {
  const cases: ReadonlyArray<readonly [name: string, reason: string, cut: string]> = [
    ["nothing", "", ""],
    ["123 letters", "x".repeat(123), "x".repeat(123)],
    ["124 letters", "x".repeat(124), "x".repeat(123)],
    ["two bytes that just fit", `${"x".repeat(121)}é`, `${"x".repeat(121)}é`],
    ["two bytes across the limit", `${"x".repeat(122)}é`, "x".repeat(122)],
    ["three bytes that just fit", `${"x".repeat(120)}€`, `${"x".repeat(120)}€`],
    ["three bytes across the limit", `${"x".repeat(121)}€`, "x".repeat(121)],
    ["an emoji that just fits", `${"x".repeat(119)}👋`, `${"x".repeat(119)}👋`],
    ["an emoji across the limit", `${"x".repeat(120)}👋`, "x".repeat(120)],
    ["an emoji one byte across the limit", `${"x".repeat(122)}👋`, "x".repeat(122)],
    ["emoji alone", "👋".repeat(1000), "👋".repeat(30)],
    ["a high surrogate alone", "a\ud83dz", "a\ufffdz"],
    ["a low surrogate alone", "a\udc4bz", "a\ufffdz"],
    ["a high surrogate at the end", `${"x".repeat(120)}\ud83d`, `${"x".repeat(120)}\ufffd`],
    ["a lone surrogate across the limit", `${"x".repeat(121)}\ud83d`, "x".repeat(121)],
    ["a byte order mark", "\ufeffx", "\ufeffx"],
    ["NUL and line breaks, each of which becomes a space", "a\0b\r\nc\u2028d", "a b  c d"]
  ]
  for (const [name, reason, cut] of cases) {
    it(name, () => {
      assert.strictEqual(CloseCode.truncateReason(reason), cut)
    })
  }

  it("of anything gives at most 123 bytes, a prefix, and itself when cut again", () => {
    const alphabet = ["x", "é", "€", "👋", "\ud83d", "\udc4b"]
    for (let run = 0; run < 2000; run++) {
      const reason = Array.from(
        { length: 60 + (run % 80) },
        (_, i) => alphabet[(run * 7 + i * (run % 5) + i) % 6]
      ).join("")
      const cut = CloseCode.truncateReason(reason)
      assert.isAtMost(Buffer.byteLength(cut), CloseCode.maxReasonBytes)
      assert.isTrue(Buffer.from(reason).toString().startsWith(cut))
      assert.strictEqual(CloseCode.truncateReason(cut), cut)
    }
  })
})
