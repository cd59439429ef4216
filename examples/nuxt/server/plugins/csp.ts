/**
 * Nuxt's own inline scripts get a nonce, which is new for each page. They are around the body, which the app rendered. The
 * package needs no more than 'self'.
 */
export default defineNitroPlugin((nitro) => {
  if (import.meta.dev) return;
  nitro.hooks.hook("render:html", (html, { event }) => {
    const nonce = crypto.randomUUID();
    for (const part of [html.head, html.bodyPrepend, html.bodyAppend]) {
      for (const [at, text] of part.entries()) part[at] = text.replaceAll("<script", `<script nonce="${nonce}"`);
    }
    const policy = `default-src 'self'; script-src 'self' 'nonce-${nonce}'; img-src 'self' data:; base-uri 'none'`;
    setResponseHeader(event, "content-security-policy", policy);
  });
});
