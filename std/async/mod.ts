export * from "./delay.ts";
