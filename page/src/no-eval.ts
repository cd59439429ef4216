// zod tries out whether it may compile code, which the page's security policy forbids and the browser reports.

Object.assign(globalThis, { __zod_globalConfig: { jitless: true } });
