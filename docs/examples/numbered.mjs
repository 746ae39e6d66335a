// SPDX-License-Identifier: Apache-2.0
// A storage as a module, for `lunkit serve object:FILE`: a read-only disk whose blocks say which they are.
const BLOCK = 512

export default {
  size: 64 * 1024 * 1024,
  read(offset, buffer) {
    for (let at = 0; at < buffer.length; at += BLOCK) buffer.write(`block ${(offset + at) / BLOCK}\n`, at)
  },
}
