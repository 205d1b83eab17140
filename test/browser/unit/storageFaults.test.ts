/** A storage that fails, and what is in it that nobody can use. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FakeStorage, fill, message, openPage, type Page, stateOf } from "./fakePage.js"

const full = new Error("QuotaExceededError")

/** Nothing is kept, it was told once, and the client lives on. */
const assertGivenUp = (page: Page, storage: FakeStorage) => {
  assert.deepStrictEqual(page.failures, [full])
  assert.deepStrictEqual(storage.names, [])
  assert.isTrue(page.keeper?.isMine() ?? true)
  page.keeper?.keep(stateOf())
  page.keeper?.add(message(1))
  page.hide()
  page.show()
  assert.deepStrictEqual(storage.names, [])
  assert.lengthOf(page.failures, 1)
}

describe("A storage that", () => {
  it.scoped("may not be had is told of, and nothing is kept", () =>
    Effect.gen(function* () {
      const page = yield* openPage({
        storage: () => {
          throw full
        }
      })
      assert.isUndefined(page.keeper)
      assert.deepStrictEqual(page.failures, [full])
    })
  )

  it.scoped("cannot be read is told of, and nothing is kept", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      storage.onRead = () => {
        throw full
      }
      const page = yield* openPage({ storage })
      assert.isUndefined(page.keeper)
      assert.deepStrictEqual(page.failures, [full])
    })
  )

  for (let works = 0; works < 6; works++) {
    it.scoped(`is full after ${works} writes keeps nothing by halves`, () =>
      Effect.gen(function* () {
        const storage = new FakeStorage()
        storage.onWrite = () => {
          if (storage.writes >= works) throw full
        }
        const page = yield* openPage({ storage })
        fill(page.keeper, stateOf(), 1, 2, 3)
        page.keeper?.keep(stateOf({ acknowledged: 1 }))
        assertGivenUp(page, storage)
        assert.isUndefined(page.keeper?.found)
      })
    )
  }

  it.scoped("is full as the page is left keeps nothing by halves", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      storage.onWrite = () => {
        throw full
      }
      page.hide()
      assertGivenUp(page, storage)
    })
  )

  for (const more of [[], [3]]) {
    it.scoped(`was emptied meanwhile has nothing to go on with, ${more.length} messages later`, () =>
      Effect.gen(function* () {
        const storage = new FakeStorage()
        const page = yield* openPage({ storage })
        fill(page.keeper, stateOf(), 1, 2)
        storage.clear()
        fill(page.keeper, stateOf({ acknowledged: 1 }), ...more)
        page.hide()
        const next = yield* openPage({ storage })
        assert.isUndefined(next.keeper?.found)
        assert.deepStrictEqual(page.failures, [])
      })
    )
  }
})

/** What a page finds that was left like this, and changed. */
const foundAfter = (change: (storage: FakeStorage, head: string, item: (seq: number) => string) => void) =>
  Effect.gen(function* () {
    const storage = new FakeStorage()
    const page = yield* openPage({ storage })
    page.keeper?.keep(stateOf({ acknowledged: 1 }))
    const [head = ""] = storage.names
    const items: Array<string> = []
    for (const seq of [2, 3, 4]) {
      page.keeper?.add(message(seq))
      items.push(storage.names.find((name) => name !== head && !items.includes(name)) ?? "")
    }
    page.hide()
    change(storage, head, (seq) => items[seq - 2] ?? "")
    const next = yield* openPage({ storage })
    assert.deepStrictEqual(next.failures, [])
    return { found: next.keeper?.found, storage, next }
  })

describe("What was kept and", () => {
  const heads: Record<string, (head: Record<string, unknown>) => unknown> = {
    "is no JSON": () => undefined,
    "is an array": () => [],
    "is null": () => null,
    "is of a later version": (head) => ({ ...head, version: 2 }),
    "has a count that is a text": (head) => ({ ...head, acknowledged: "1" }),
    "has a negative count": (head) => ({ ...head, processed: -1 }),
    "has half a message acknowledged": (head) => ({ ...head, acknowledged: 1.5 }),
    "has a count beyond all integers": (head) => ({ ...head, acknowledged: 1e300 }),
    "has an attempt after which none can be counted": (head) => ({ ...head, attempts: Number.MAX_SAFE_INTEGER }),
    "has a ticket without a secret": (head) => ({ ...head, ticket: { session: "s" } }),
    "has gone further than a session that never began": (head) => ({ ...head, ticket: undefined }),
    "has topics that are none": (head) => ({ ...head, topics: [1] })
  }
  for (const [name, change] of Object.entries(heads)) {
    it.scoped(`${name} is nothing, and is cleared away`, () =>
      Effect.gen(function* () {
        const { found, storage } = yield* foundAfter((storage, head) => {
          const changed = change(storage.json(head) as Record<string, unknown>)
          storage.items.set(head, changed === undefined ? "{" : JSON.stringify(changed))
        })
        assert.isUndefined(found)
        assert.lengthOf(storage.names, 1)
      })
    )
  }

  for (const seq of [2, 3, 4]) {
    it.scoped(`lacks message ${seq} of 2 to 4 is nothing: a new message would get its number`, () =>
      Effect.gen(function* () {
        const { found, storage } = yield* foundAfter((storage, _, item) => storage.items.delete(item(seq)))
        assert.isUndefined(found)
        assert.lengthOf(storage.names, 1)
      })
    )
  }

  const items = ["{", "[]", '{"confirm":1,"text":""}', '{"confirm":true}', '{"confirm":true,"bytes":"*"}']
  for (const text of items) {
    it.scoped(`has ${text} for a message is nothing`, () =>
      Effect.gen(function* () {
        const { found } = yield* foundAfter((storage, _, item) => storage.items.set(item(3), text))
        assert.isUndefined(found)
      })
    )
  }
})
