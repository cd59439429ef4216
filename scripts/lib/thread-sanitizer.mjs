// Reading what ThreadSanitizer reports of a program whose standard library is compiled without it. Pure.
//
// It does not see that a contended lock of the library orders two threads. Our locks are taken without that path
// (`src/lock.rs`); those within Tokio and within the test harness are not, and what they guard is reported. Nor does it know
// the fence behind which the last `Arc` is dropped: built with the sanitizer, the library reads the count instead. Nor the end
// of scoped threads, by which alone safe code hands out what lies on its stack.

/** A frame of the library, of its generic code too. */
const LIBRARY = /(\/rustc\/|\slibrary\/|compiler-rt)/;
/** The drop of a last reference, and what it drops. */
const LAST_REFERENCE = /alloc::sync::(Arc|Weak)<.*(Drop>::drop|drop_slow)/;

/**
 * Whether our code touches the memory: no other crate's frame is further in, and no last reference is being dropped.
 *
 * @param {string} stack
 */
function isOurs(stack) {
  for (const frame of stack.split("\n").filter((line) => /^\s+#\d+ /.test(line))) {
    if (LAST_REFERENCE.test(frame)) return false;
    if (!LIBRARY.test(frame)) return /\/src\/[^ ]*\.rs/.test(frame) && !/\/(registry|git)\//.test(frame);
  }
  return false;
}

/**
 * The reports of which either access is ours, and how many others there are.
 *
 * @param {string} log
 * @returns {{ mine: string[], others: number }}
 */
export function ours(log) {
  const reports = log.split("==================").filter((text) => text.includes("WARNING: ThreadSanitizer"));
  const mine = reports.filter((report) => {
    // The accesses are the first parts; behind them stands where memory and threads come from.
    const [first = "", second = ""] = report.trim().split(/\n\s*\n/);
    const accesses = report.includes("data race") ? [first, second] : [first];
    const dropped = accesses.some((stack) => LAST_REFERENCE.test(stack));
    const isOnStack = /^\s*Location is stack of /m.test(report);
    return !dropped && !isOnStack && accesses.some(isOurs);
  });
  return { mine: mine.map((report) => report.trim()), others: reports.length - mine.length };
}
