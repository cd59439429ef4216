import type { Followed } from "trigger-native/client";

/** The state of what `follow` gives. It is followed anew when a value that `follow` reads changes, and in the browser alone. */
export function useFollowed<S>(follow: () => Followed<S, unknown>) {
  const state = shallowRef(follow().getState());
  const subscribe = () =>
    follow().subscribe((now) => {
      state.value = now;
    });
  if (import.meta.client) watchEffect((onCleanup) => onCleanup(subscribe()));
  return state;
}
