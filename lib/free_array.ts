/**
 * Frees the memory of an array at once; the array is empty then. The garbage collector knows that
 * there is memory outside its heap, but takes its time: what comes next would be put into memory that
 * the process has not touched before, and stay there.
 *
 * @param array The only one on its buffer, which is not shared between threads.
 */
export function freeArray(array: Uint8Array | Int32Array): void {
  (array.buffer as ArrayBuffer).transfer(0);
}
