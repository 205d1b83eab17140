import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"
import { whileServed } from "../../src/node/inspector/page/whileServed.js"

const src = (path: string) => fileURLToPath(new URL(`../../src/${path}`, import.meta.url))

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  resolve: {
    alias: [
      { find: /^holdfast$/, replacement: src("index.ts") },
      { find: /^holdfast\/browser$/, replacement: src("browser/index.ts") }
    ]
  },
  plugins: [whileServed()],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: { outDir: "dist", emptyOutDir: false, target: "es2022" }
})
