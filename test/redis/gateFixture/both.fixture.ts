import { expect, it } from "vitest"
import { describeWithRedis } from "../gate.js"

describeWithRedis("with Redis", () => {
  it("runs where there is one", () => expect(1).toBe(1))
})

it("runs anywhere", () => expect(1).toBe(1))
