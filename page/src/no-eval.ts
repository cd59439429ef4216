// Keeps zod from testing whether it may compile code: the page's security policy forbids that, and the browser reports it.

Object.assign(globalThis, { __zod_globalConfig: { jitless: true } });
