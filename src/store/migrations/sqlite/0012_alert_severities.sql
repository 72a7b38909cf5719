-- How severe an alert is for each of the workloads that raised it and still fail: it is as severe as the
-- worse of them. Neither: it is closed by what raised it, or by a person.

ALTER TABLE alerts ADD COLUMN incoming_severity TEXT CHECK (incoming_severity IN ('information', 'warning', 'error'));
ALTER TABLE alerts ADD COLUMN outgoing_severity TEXT CHECK (outgoing_severity IN ('information', 'warning', 'error'));
UPDATE alerts SET incoming_severity = severity WHERE incoming;
UPDATE alerts SET outgoing_severity = severity WHERE outgoing;
ALTER TABLE alerts DROP COLUMN incoming;
ALTER TABLE alerts DROP COLUMN outgoing;
