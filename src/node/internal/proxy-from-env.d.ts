declare module "proxy-from-env" {
  /** The proxy of a URL by the environment, or `""`. */
  export const getProxyForUrl: (url: string) => string
}
