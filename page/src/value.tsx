// A value, as indented JSON.

export function Value({ value }: { value: unknown }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard
    <pre className="value" tabIndex={0}>
      {textOf(value)}
    </pre>
  );
}

function textOf(value: unknown): string {
  if (value === undefined) return "undefined";
  const plain = (_: string, inner: unknown) => {
    if (typeof inner === "bigint") return `${inner}n`;
    if (inner instanceof Map) return { Map: [...inner] };
    if (inner instanceof Set) return { Set: [...inner] };
    return inner;
  };
  try {
    return JSON.stringify(value, plain, 2) ?? String(value);
  } catch {
    return String(value);
  }
}
