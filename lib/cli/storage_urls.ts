import type { Config } from "../config/schema.ts";
import { SERVICES } from "../services.ts";

/**
 * The URLs of the storages that a configuration names, without duplicates.
 *
 * @param service Only those of this service, even if it is disabled. @default {all enabled ones}
 */
export function storageUrls(config: Config, service?: string): string[] {
  const urls = new Set<string>();
  for (const { name, needs } of SERVICES) {
    const section = config.services[name];
    if (section === undefined || (service === undefined ? !section.enabled : name !== service)) {
      continue;
    }
    for (const url of needs?.(section).storages ?? []) urls.add(url ?? config.storage.url);
  }
  return [...urls];
}
