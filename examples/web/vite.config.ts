import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

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
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022" }
})
