import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"

const here = new URL("./", import.meta.url)
const root = new URL("../../", import.meta.url)
const pages = [
  "README.md",
  ...["browser", "node", "promise", "redis", "testing"].map((entry) => `src/${entry}/README.md`)
]
const readme = pages.map((page) => readFileSync(new URL(page, root), "utf8")).join("\n")
const programs = readdirSync(here).filter((name) => name !== "readme.test.ts")

describe("README, and those of the entry points", () => {
  it("show programs that are type-checked, and all of them", () => {
    assert.strictEqual(programs.length, readme.split("```ts\n").length - 1)
  })

  for (const name of programs) {
    it(`show ${name} as it is`, () => {
      assert.include(readme, `\`\`\`ts\n${readFileSync(new URL(name, here), "utf8")}\`\`\``)
    })
  }

  for (const page of [...pages, "test/bench/README.md", "src/PROTOCOL.md"]) {
    it(`${page} links to files that there are`, () => {
      const from = new URL(page, root)
      for (const [, link = ""] of readFileSync(from, "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        assert.isTrue(existsSync(new URL(link, from)), link)
      }
    })
  }

  it("name only files that there are, in the architecture", () => {
    const text = readFileSync(new URL("src/ARCHITECTURE.md", root), "utf8")
    const named = [...text.matchAll(/`((?:protocol|connection|session|topic|client|gateway|redis)\/[\w/]+)`/g)].map(
      (match) => match[1]
    )
    assert.isAbove(named.length, 40)
    for (const name of named) {
      const [file, folder] = [`src/${name}.ts`, `src/${name}`].map((path) => existsSync(new URL(path, root)))
      assert.isTrue(file || folder, name)
    }
  })

  it("name only commands that there are", () => {
    const { scripts } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"))
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "")
    assert.isAbove(named.length, 3)
    for (const name of named) assert.property(scripts, name)
  })
})
