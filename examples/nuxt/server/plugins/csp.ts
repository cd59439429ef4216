/** Nuxt's own inline scripts, which are never in the body that the app rendered, get a nonce for each page. The package needs no more than 'self'. */
export default defineNitroPlugin((nitro) => {
  if (import.meta.dev) return;
  nitro.hooks.hook("render:html", (html, { event }) => {
    const nonce = crypto.randomUUID();
    for (const part of [html.head, html.bodyPrepend, html.bodyAppend]) {
      for (const [at, text] of part.entries()) part[at] = text.replaceAll("<script", `<script nonce="${nonce}"`);
    }
    const scripts = `script-src 'self' 'nonce-${nonce}'`;
    const policy = `default-src 'none'; ${scripts}; connect-src 'self'; img-src data:; base-uri 'none'`;
    setResponseHeader(event, "content-security-policy", policy);
  });
});
