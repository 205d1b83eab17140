/** The core, `holdfast/browser` and `holdfast/promise`, all of them: what bundle.test.ts bundles. */
export * from "holdfast"
export * from "holdfast/browser"
export * from "holdfast/promise"
