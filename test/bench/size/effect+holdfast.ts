/** Both programs in one page: by how much it is more than `effect.ts` alone is what Holdfast adds. */
export { program as effect } from "./effect.js"
export { program as holdfast } from "./holdfast.js"
