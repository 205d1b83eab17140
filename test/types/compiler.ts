/** TypeScript, over texts that are no files: with the project's own options, and `holdfast` as its users import it. */
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..")

export interface Flaw {
  /** From the outermost to the innermost reason. */
  readonly lines: ReadonlyArray<string>
  /** The part of the text that is underlined. */
  readonly underlined: string
}

/** The errors of each text, in order. */
export const flawsOf = (texts: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<Flaw>> => {
  const file = resolve(root, "tsconfig.json")
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(file, ts.sys.readFile).config, ts.sys, root)
  const names = texts.map((_, at) => resolve(root, `test/types/text${at}.ts`))
  const held = new Map(names.map((name, at) => [name, texts[at] ?? ""]))
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => held.has(name) || fileExists(name)
  host.readFile = (name) => held.get(name) ?? readFile(name)
  host.getSourceFile = (name, target, ...more) => {
    const text = held.get(name)
    return text === undefined ? getSourceFile(name, target, ...more) : ts.createSourceFile(name, text, target)
  }
  const program = ts.createProgram(names, { ...options, noUnusedLocals: false }, host)
  return names.map((name) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(name)).map(({ length = 0, messageText, start = 0 }) => ({
      lines: ts.flattenDiagnosticMessageText(messageText, "\n").split("\n"),
      underlined: (held.get(name) ?? "").slice(start, start + length)
    }))
  )
}
