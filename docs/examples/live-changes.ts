// SPDX-License-Identifier: Apache-2.0
// The example of docs/cookbook/grow-a-disk.md: LUNs that come, grow and go while the target runs.
import { createTarget, memory } from 'lunkit/target'

await using target = await createTarget({ luns: [memory('64M')] })

const lun = await target.addLun(memory('64M')) // file('other.img'), and so on
await lun.resize('128M')
await lun.resize('32M', { shrink: true })
lun.rename({ vendor: 'ACME', product: 'SCRATCH' })
await target.replaceLun(lun, memory('1G'))
await target.removeLun(lun)

target.addGroup('cluster', ['iqn.2026-11.org.example:node*'])
await target.addLun(memory('64M'), { group: 'cluster', lun: 0 })
