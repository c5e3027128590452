import time
from tests.procedures.purge.test_replica import *
def test_x(followed, replica):
    g=followed
    print()
    Q="select state,sent_lsn,write_lsn,flush_lsn,replay_lsn,pg_current_wal_lsn() c, write_lag,replay_lag,reply_time from pg_stat_replication"
    print(g.admin.execute(Q).fetchall())
    replica.execute("select pg_wal_replay_pause()")
    for i in range(12):
        g.admin.execute("update tbae002_bajas set motivo_baja=motivo_baja")
        time.sleep(.25)
        print(list(g.admin.execute(Q).fetchall()[0].values())[3:])
    replica.execute("select pg_wal_replay_resume()")
    for i in range(4):
        time.sleep(.25)
        print(list(g.admin.execute(Q).fetchall()[0].values())[3:])
    g.admin.execute("update tbae002_bajas set motivo_baja=motivo_baja")
    replica.execute("select pg_wal_replay_pause()")
    for i in range(4):
        g.admin.execute("update tbae002_bajas set motivo_baja=motivo_baja")
        time.sleep(.25)
        print(list(g.admin.execute(Q).fetchall()[0].values())[3:])
    replica.execute("select pg_wal_replay_resume()")
