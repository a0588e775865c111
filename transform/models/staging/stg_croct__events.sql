{{ croct.latest_events() }}
