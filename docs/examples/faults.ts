// SPDX-License-Identifier: Apache-2.0
// Cookbook: a disk that fails when it is told to.
import { createTarget, errors, memory } from 'lunkit/target'

await using target = await createTarget({ luns: [errors(memory('64M'))] })

const [lun] = target.luns
await lun!.control('errors', 'medium:read:lba=2048-4095', 'busy:write:percent=5:seed=7')
console.log(await lun!.control('errors')) // each rule, and how often it has met
await lun!.control('errors', 'none')
