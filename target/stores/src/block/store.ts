// SPDX-License-Identifier: Apache-2.0
// The block store: a block device of this machine, around the page cache (SCST's BLOCKIO).
import type { StoreType } from '@lunkit/target-api'
import { openBlock } from './open-block.ts'

export { BlockStore } from './block-store.ts'
export { type BlockOptions, openBlock } from './open-block.ts'

export const store: StoreType = {
  apiVersion: 1,
  name: 'block',
  parameters: {
    path: { type: 'path', help: 'The device, such as /dev/sdb', required: true, argument: true },
    readonly: {
      type: 'boolean',
      help: 'Refuse writes; several units may then share the device',
      initial: false,
    },
    force: {
      type: 'boolean',
      help: 'Serve it even though it is mounted or in use: two that write to it destroy it',
      initial: false,
    },
  },
  open: values =>
    openBlock({
      path: String(values['path']),
      readonly: values['readonly'] === true,
      force: values['force'] === true,
    }),
}
