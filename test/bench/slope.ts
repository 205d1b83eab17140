/** Least squares. */

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Slope {
  readonly slope: number
  /** The standard error of it. */
  readonly error: number
}

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((total, value) => total + value, 0) / values.length

export const slopeOf = (points: ReadonlyArray<Point>): Slope => {
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))]
  const sum = (of: (dx: number, dy: number) => number) =>
    points.reduce((total, point) => total + of(point.x - x, point.y - y), 0)
  const spread = sum((dx) => dx * dx)
  const slope = sum((dx, dy) => dx * dy) / spread
  const residual = sum((dx, dy) => (dy - slope * dx) ** 2)
  return { slope, error: Math.sqrt(residual / (points.length - 2) / spread) }
}
