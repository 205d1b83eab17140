import { render } from "preact"
import { Inspector } from "./inspector.js"
import "./style.css"

const root = document.getElementById("inspector")
if (root !== null) render(<Inspector />, root)
