/** Formats a number in short form: "7", "12.3 k", "1.20 M". */
export function formatCount(value: number): string {
  const steps = [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const;
  for (const [size, unit] of steps) {
    if (Math.abs(value) >= size * 0.9995) return `${digits(value / size)} ${unit}`;
  }
  return Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : digits(value);
}

/** Formats bytes in binary units: "512 B", "1.50 MiB". */
export function formatBytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value.toFixed(0) : digits(value)} ${units[unit]}`;
}

/** Formats a short time, given in seconds: "85.0 µs", "1.20 ms", "3.50 s". */
export function formatLatency(seconds: number): string {
  if (seconds === 0) return "0 ms";
  if (seconds < 0.001) return `${digits(seconds * 1e6)} µs`;
  return seconds < 1 ? `${digits(seconds * 1000)} ms` : `${digits(seconds)} s`;
}

/** Formats a long time, given in seconds: "12 s", "3 min", "2 h 5 min", "4 d 3 h". */
export function formatAge(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

/** Formats Unix time in milliseconds as a local time of day: "14:03:59". */
export function formatTime(ms: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Rounds to three significant digits. */
function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}
