import adapter from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [
    sveltekit({
      adapter: adapter(),
      // SvelteKit needs a nonce for its inline script, which it adds, and the style of the element that tells screen readers
      // of a new page. The package needs no more than 'self'.
      csp: {
        directives: {
          "default-src": ["self"],
          "script-src": ["self"],
          "style-src-attr": ["unsafe-inline"],
          "img-src": ["self", "data:"],
          "base-uri": ["none"],
        },
      },
    }),
  ],
});
