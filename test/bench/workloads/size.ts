/** What a page downloads: a minimal program with each client, bundled and compressed. */
import { brotliCompressSync, gzipSync } from "node:zlib"
import { type Bundle, bundle } from "../../support/bundle.js"
import { listing } from "../modules.js"
import type { Contender, Sample, Workload } from "../workload.js"

/** Of each contender, the last one. */
const bundles = new Map<string, Bundle>()

const sample = async (name: string): Promise<Sample> => {
  const entry = new URL(`../size/${name}.ts`, import.meta.url)
  const made = await bundle({ entry, holdfast: "dist", minify: true })
  const [ofNode] = made.ofNode
  if (ofNode !== undefined) throw new Error(`${name} is not for browsers: ${ofNode}`)
  bundles.set(name, made)
  const bytes = Buffer.from(made.code)
  return {
    minifiedKilobytes: bytes.length / 1000,
    gzipKilobytes: gzipSync(bytes, { level: 9 }).length / 1000,
    brotliKilobytes: brotliCompressSync(bytes).length / 1000
  }
}

const contender = (name: string): Contender => ({ name, sample: () => sample(name) })

export const size: Workload = {
  name: "size",
  about: "a page with one client, as vite bundles it; effect: one without Holdfast; effect+holdfast: that one with it",
  behaviour: "none",
  servers: 0,
  needsRedis: false,
  descriptors: 0,
  isExact: true,
  plotted: { key: "gzipKilobytes", caption: "a page with one client" },
  metrics: [
    { key: "minifiedKilobytes", title: "minified kB", digits: 1, compared: false },
    { key: "gzipKilobytes", title: "gzip kB", digits: 1, compared: true },
    { key: "brotliKilobytes", title: "brotli kB", digits: 1, compared: false }
  ],
  contenders: ["socket.io-client", "centrifuge", "holdfast", "effect", "effect+holdfast"].map(contender),
  modules: async (name) => {
    const made = bundles.get(name)
    return made === undefined ? "" : `${name}\n\n${await listing(made)}`
  }
}
