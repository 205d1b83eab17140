import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const here = new URL("./", import.meta.url)
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
const programs = readdirSync(here).filter((name) => name !== "readme.test.ts")

describe("README", () => {
  it("shows programs that are type-checked, and all of them", () => {
    assert.strictEqual(programs.length, readme.split("```ts\n").length - 1)
  })

  for (const name of programs) {
    it(`shows ${name} as it is`, () => {
      assert.include(readme, `\`\`\`ts\n${readFileSync(new URL(name, here), "utf8")}\`\`\``)
    })
  }

  it("names only commands that there are", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "")
    assert.isAbove(named.length, 3)
    for (const name of named) assert.property(scripts, name)
  })
})
