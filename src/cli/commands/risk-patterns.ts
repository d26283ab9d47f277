/** `latchkey risk patterns run`: the batch analysis by hand. */
import { systemScheduler } from '../../base/system-scheduler.ts';
import { analyse } from '../../risk/patterns/analysis.ts';
import type { CommandRun } from '../command.ts';
import { withRiskSide } from '../risk-store.ts';

export const riskPatternsCommand: CommandRun = async (args, io) =>
  withRiskSide(args, io, async ({ analysis }) => {
    const report = await analyse(analysis, systemScheduler().wallMs(), io.signal);
    if (args.flag('json')) io.out(JSON.stringify(report));
    else {
      const at = new Date(report.as_of_ms).toISOString();
      io.out(
        report.kept
          ? `found as of ${at}: ${report.operators} operators, ${report.lockers} lockers, ${report.couriers} couriers`
          : `nothing was kept: what is there is newer than ${at}`,
      );
    }
    return 0;
  });
