/** The core and `holdfast/browser`, all of them: what bundle.test.ts bundles. */
export * from "holdfast"
export * from "holdfast/browser"
