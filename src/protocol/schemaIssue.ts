/** The fault of a value, in words that show nothing of it: where, and what was expected there. */
import type * as ParseResult from "effect/ParseResult"
import type * as AST from "effect/SchemaAST"
import { oneLine } from "./oneLine.js"

/** Longer ones are cut: a Schema may say much. */
const mostExpected = 120
const mostPath = 100

/** A Schema says the same each time, and may take long to say it. */
const expectations = new WeakMap<AST.AST, string>()

const expectationOf = (ast: AST.AST): string => {
  const known = expectations.get(ast)
  if (known !== undefined) return known
  const said = `Expected ${oneLine(String(ast), mostExpected)}`
  expectations.set(ast, said)
  return said
}

/** Keys that the Schema does not name are the value's own. */
const shown = (key: PropertyKey, container: AST.AST | undefined): string => {
  if (typeof key === "number") return String(key)
  const isNamed = container?._tag === "TypeLiteral" && container.propertySignatures.some(({ name }) => name === key)
  return isNamed ? String(key) : "*"
}

const listed = <A>(one: ParseResult.SingleOrNonEmpty<A>): ReadonlyArray<A> =>
  Array.isArray(one) ? (one as ReadonlyArray<A>) : [one as A] // a readonly array is one, which `isArray` does not say

const fault = (
  issue: ParseResult.ParseIssue,
  container: AST.AST | undefined,
  path: ReadonlyArray<string>
): readonly [path: ReadonlyArray<string>, what: string] => {
  switch (issue._tag) {
    case "Pointer":
      return fault(issue.issue, undefined, [...path, ...listed(issue.path).map((key) => shown(key, container))])
    case "Composite": {
      const [first, ...others] = listed(issue.issues)
      const isOpen = issue.ast._tag === "Union" && others.length > 0
      return first === undefined || isOpen ? [path, expectationOf(issue.ast)] : fault(first, issue.ast, path)
    }
    case "Refinement":
      return issue.kind === "From" ? fault(issue.issue, undefined, path) : [path, expectationOf(issue.ast)]
    case "Transformation":
      return issue.kind === "Transformation" ? [path, expectationOf(issue.ast)] : fault(issue.issue, undefined, path)
    case "Missing":
      return [path, "is missing"]
    case "Unexpected":
      return [path, "is unexpected"]
    case "Type":
    case "Forbidden":
      return [path, expectationOf(issue.ast)]
  }
}

/** One line of at most 230 characters. The messages of Schemas and of their annotations are not for it: they show values. */
export const describe = (issue: ParseResult.ParseIssue): string => {
  const [path, what] = fault(issue, undefined, [])
  return path.length === 0 ? what : `${oneLine(path.join("."), mostPath)}: ${what}`
}
