// SPDX-License-Identifier: Apache-2.0
// REPORT SUPPORTED OPERATION CODES: read from the bindings themselves.
import {
  ALL_COMMANDS_HEADER,
  COMMAND_DESCRIPTOR,
  COMMAND_TIMEOUTS,
  CommandSupport,
  INVALID_FIELD_IN_CDB,
  ONE_COMMAND_HEADER,
  REPORT_SUPPORTED_OPERATION_CODES,
  ReportingOptions,
} from '@lunkit/spec'
import { type Binding, type Device, fail, on, reply, type Task } from '@lunkit/target-api'

const { rctd, reportingOptions, requestedOpcode, requestedServiceAction, allocation } =
  REPORT_SUPPORTED_OPERATION_CODES.cdb.field

/** No times are promised: all of them zero. */
const TIMEOUTS = COMMAND_TIMEOUTS.write({ length: COMMAND_TIMEOUTS.length - 2 })

export const reportSupportedOperationCodes = on(
  REPORT_SUPPORTED_OPERATION_CODES,
  (task: Task, device: Device) => {
    const { cdb } = task
    const bindings = device.type.bindings.filter(({ offered }) => offered === null || offered(task, device))
    const withTimeouts = rctd.get(cdb, 0) === 1
    const room = allocation.get(cdb, 0)
    const options = reportingOptions.get(cdb, 0)
    if (options === ReportingOptions.all) return reply(task, listAll(bindings, withTimeouts), room)
    if (options > ReportingOptions.either) return fail(task, INVALID_FIELD_IN_CDB, reportingOptions)
    const same = bindings.filter(({ command }) => command.opcode === requestedOpcode.get(cdb, 0))
    const hasActions = same.some(({ command }) => command.serviceAction >= 0)
    if (options === ReportingOptions.opcode && hasActions) {
      return fail(task, INVALID_FIELD_IN_CDB, reportingOptions)
    }
    if (options === ReportingOptions.opcodeAndServiceAction && same.length > 0 && !hasActions) {
      return fail(task, INVALID_FIELD_IN_CDB, reportingOptions)
    }
    // Without service actions the field counts only where it may be asked for with one.
    const action = requestedServiceAction.get(cdb, 0)
    const found = same.find(({ command }) =>
      hasActions ? command.serviceAction === action : options === ReportingOptions.opcode || action === 0,
    )
    reply(task, describeOne(found, withTimeouts), room)
  },
)

function listAll(bindings: readonly Binding[], withTimeouts: boolean): Uint8Array {
  const size = COMMAND_DESCRIPTOR.length + (withTimeouts ? TIMEOUTS.length : 0)
  const list = new Uint8Array(ALL_COMMANDS_HEADER.length + size * bindings.length)
  ALL_COMMANDS_HEADER.write({ length: size * bindings.length }, list)
  bindings.forEach(({ command }, index) => {
    const at = ALL_COMMANDS_HEADER.length + index * size
    const servactv = command.serviceAction >= 0 ? 1 : 0
    COMMAND_DESCRIPTOR.write(
      {
        opcode: command.opcode,
        serviceAction: Math.max(command.serviceAction, 0),
        servactv,
        ctdp: withTimeouts ? 1 : 0,
        cdbLength: command.length,
      },
      list,
      at,
    )
    if (withTimeouts) list.set(TIMEOUTS, at + COMMAND_DESCRIPTOR.length)
  })
  return list
}

function describeOne(binding: Binding | undefined, withTimeouts: boolean): Uint8Array {
  if (binding === undefined) return ONE_COMMAND_HEADER.write({ support: CommandSupport.notSupported })
  const usage = usageOf(binding)
  const head = ONE_COMMAND_HEADER.length
  const answer = new Uint8Array(head + usage.length + (withTimeouts ? TIMEOUTS.length : 0))
  const ctdp = withTimeouts ? 1 : 0
  ONE_COMMAND_HEADER.write({ ctdp, support: CommandSupport.standard, cdbLength: usage.length }, answer)
  answer.set(usage, head)
  if (withTimeouts) answer.set(TIMEOUTS, head + usage.length)
  return answer
}

/** CDB usage data: the binding's mask, in which operation code and service action stand for themselves. */
function usageOf({ command, usage }: Binding): Uint8Array {
  const data = Uint8Array.from(usage)
  data[0] = command.opcode
  if (command.serviceAction < 0) return data
  command.cdb.field['serviceAction']!.set(data, 0, command.serviceAction)
  return data
}
