/** Lets a server wait for a reader: it answers on only when the reader has taken what it was given. */
export function pace() {
  let taken = 0;
  let waiters = [];
  return {
    get taken() {
      return taken;
    },
    /** @param {number} count items taken so far */
    onItem(count) {
      taken = count;
      waiters = waiters.filter(({ wanted, resolve }) => {
        if (taken < wanted) return true;
        resolve();
        return false;
      });
    },
    /** @param {number} wanted @returns {Promise<void>} */
    gate(wanted) {
      if (taken >= wanted) return Promise.resolve();
      return new Promise((resolve) => waiters.push({ wanted, resolve }));
    },
  };
}
