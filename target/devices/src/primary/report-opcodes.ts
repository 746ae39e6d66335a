// SPDX-License-Identifier: Apache-2.0
// REPORT SUPPORTED OPERATION CODES: read from the bindings themselves.
import {
  ALL_COMMANDS_HEADER,
  COMMAND_DESCRIPTOR,
  COMMAND_TIMEOUTS,
  CommandSupport,
  INVALID_FIELD_IN_CDB,
  MODE_SELECT_6,
  MODE_SELECT_10,
  ONE_COMMAND_HEADER,
  REPORT_SUPPORTED_OPERATION_CODES,
  ReportingOptions,
  SEND_DIAGNOSTIC,
  type Touches,
} from '@lunkit/spec'
import { type Binding, type Device, fail, on, reply, type Task } from '@lunkit/target-api'

const { rctd, reportingOptions, requestedOpcode, requestedServiceAction, allocation } =
  REPORT_SUPPORTED_OPERATION_CODES.cdb.field

/** Seconds after which an initiator may give a command up, by what it touches; nothing takes as long in good health. */
const RECOMMENDED: Readonly<Record<Touches, number>> = {
  nothing: 10,
  unit: 30,
  'medium-read': 30,
  'medium-write': 60,
  'medium-sync': 60,
  'medium-all': 60,
}
/** Most commands are done within the first second. */
const NOMINAL = 1
/** Commands that may go over the whole medium take longer the larger it is: so many bytes a second at the least. */
const SLOWEST = 25 * 1024 * 1024

function timeoutsOf({ command }: Binding, device: Device): Uint8Array {
  const whole = command.touches === 'medium-all' || command === SEND_DIAGNOSTIC
  const passes = whole ? Math.ceil((device.blocks * device.blockSize) / SLOWEST) : 0
  return COMMAND_TIMEOUTS.write({
    length: COMMAND_TIMEOUTS.length - 2,
    nominal: NOMINAL,
    recommended: Math.min(RECOMMENDED[command.touches] + passes, 0xffff_ffff),
  })
}

export const reportSupportedOperationCodes = on(
  REPORT_SUPPORTED_OPERATION_CODES,
  (task: Task, device: Device) => {
    const { cdb } = task
    const bindings = device.type.bindings.filter(({ offered }) => offered === null || offered(task, device))
    const withTimeouts = rctd.get(cdb, 0) === 1
    const room = allocation.get(cdb, 0)
    const options = reportingOptions.get(cdb, 0)
    if (options === ReportingOptions.all) return reply(task, listAll(bindings, device, withTimeouts), room)
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
    reply(task, describeOne(found, task, device, withTimeouts), room)
  },
)

function listAll(bindings: readonly Binding[], device: Device, withTimeouts: boolean): Uint8Array {
  const size = COMMAND_DESCRIPTOR.length + (withTimeouts ? COMMAND_TIMEOUTS.length : 0)
  const list = new Uint8Array(ALL_COMMANDS_HEADER.length + size * bindings.length)
  ALL_COMMANDS_HEADER.write({ length: size * bindings.length }, list)
  bindings.forEach((binding, index) => {
    const { command } = binding
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
    if (withTimeouts) list.set(timeoutsOf(binding, device), at + COMMAND_DESCRIPTOR.length)
  })
  return list
}

function describeOne(
  binding: Binding | undefined,
  task: Task,
  device: Device,
  withTimeouts: boolean,
): Uint8Array {
  if (binding === undefined) return ONE_COMMAND_HEADER.write({ support: CommandSupport.notSupported })
  const usage = usageOf(binding, task)
  const head = ONE_COMMAND_HEADER.length
  const answer = new Uint8Array(head + usage.length + (withTimeouts ? COMMAND_TIMEOUTS.length : 0))
  const ctdp = withTimeouts ? 1 : 0
  ONE_COMMAND_HEADER.write({ ctdp, support: CommandSupport.standard, cdbLength: usage.length }, answer)
  answer.set(usage, head)
  if (withTimeouts) answer.set(timeoutsOf(binding, device), head + usage.length)
  return answer
}

/** CDB usage data: the binding's mask, in which operation code and service action stand for themselves. */
function usageOf({ command, usage }: Binding, task: Task): Uint8Array {
  const data = Uint8Array.from(usage)
  // A unit that keeps no records refuses to save.
  if (task.nexusUnit.unit.records === null && (command === MODE_SELECT_6 || command === MODE_SELECT_10)) {
    MODE_SELECT_6.cdb.field.sp.set(data, 0, 0)
  }
  data[0] = command.opcode
  if (command.serviceAction < 0) return data
  command.cdb.field['serviceAction']!.set(data, 0, command.serviceAction)
  return data
}
