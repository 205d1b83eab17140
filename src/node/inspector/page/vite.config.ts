import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"
import { whileServed } from "./whileServed.js"

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here("."),
  // Relative, so that the page works wherever it is mounted.
  base: "./",
  plugins: [whileServed()],
  // JSX is compiled as tsconfig.json says.
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: { outDir: here("../../../../dist/inspector"), emptyOutDir: false, target: "es2022", modulePreload: false }
})
