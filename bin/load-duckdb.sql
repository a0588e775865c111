-- Loads the Singer messages in croct.jsonl into the tables croct.events, croct.sessions and
-- croct.users, and writes the last state to croct-state.json. All of it is one transaction: if
-- anything fails, the tables are as they were before.
begin;

create schema if not exists croct;

create table if not exists croct.events (
    id varchar,
    sessionId varchar,
    userId varchar,
    "timestamp" timestamp,
    context json,
    payload json,
    eventType varchar,
    metadata json,
    additionalProperties json
);

create table if not exists croct.sessions (
    sessionId varchar,
    userId varchar,
    parentId varchar,
    externalUserId varchar,
    "window" json,
    closeTime timestamp,
    referrer varchar,
    landingPageUrl varchar,
    campaign json,
    location json,
    client json,
    attributes json,
    statistics json,
    additionalProperties json
);

create table if not exists croct.users (
    userId varchar,
    externalUserId varchar,
    firstName varchar,
    lastName varchar,
    birthDate timestamp,
    gender varchar,
    email varchar,
    alternateEmail varchar,
    phone varchar,
    alternatePhone varchar,
    address json,
    avatar varchar,
    company varchar,
    companyUrl varchar,
    jobTitle varchar,
    activities json,
    interests json,
    customAttributes json,
    lastModifiedTime timestamp,
    statistics json,
    additionalProperties json
);

-- One pass over the file, with the columns of all three streams. A record's row number is its
-- place in the file.
create or replace temp table messages as
select type, stream, record, value, "schema", key_properties
from read_json(
    'croct.jsonl',
    format = 'newline_delimited',
    maximum_object_size = 268435456,
    columns = {
        type: 'varchar',
        stream: 'varchar',
        value: 'json',
        schema: 'json',
        key_properties: 'varchar[]',
        record: 'struct(
            id varchar, sessionId varchar, userId varchar, externalUserId varchar,
            "timestamp" timestamp, context json, payload json, eventType varchar, metadata json,
            parentId varchar, "window" json, closeTime timestamp, referrer varchar,
            landingPageUrl varchar, campaign json, location json, client json, attributes json,
            firstName varchar, lastName varchar, birthDate timestamp, gender varchar,
            email varchar, alternateEmail varchar, phone varchar, alternatePhone varchar,
            address json, avatar varchar, company varchar, companyUrl varchar, jobTitle varchar,
            activities json, interests json, customAttributes json, lastModifiedTime timestamp,
            statistics json, additionalProperties json
        )'
    }
);

-- What would be lost is an error: batch files, records without their key or with another one, and
-- what has no column, such as flattened properties and what stream maps add.
select error('load-duckdb.sql reads no batch files: remove batch_config')
from messages
where type = 'BATCH';

create or replace temp table keys as
select * from (values ('events', 'id'), ('sessions', 'sessionId'), ('users', 'userId')) as keys (stream, name);

select error(concat('load-duckdb.sql needs the key ', keys.name, ' of the stream ', stream))
from messages
join keys using (stream)
where
    (type = 'SCHEMA' and key_properties is distinct from [keys.name])
    or (
        type = 'RECORD'
        and case stream
            when 'events' then record.id
            when 'sessions' then record.sessionId
            else record.userId
        end is null
    );

create or replace temp table names_read as
select unnest(json_keys(to_json(record))) as name
from (select record from messages where type = 'RECORD' limit 1);

select error(concat(
    'load-duckdb.sql has no column for ', name, ' of the stream ', stream,
    ': add it to the table, to read_json and to the insert'
))
from (
    select stream, unnest(json_keys("schema" -> 'properties')) as name
    from messages
    where type = 'SCHEMA'
) as properties
where
    (name not in (select name from names_read) and exists (select 1 from names_read))
    or not exists (
        select 1
        from duckdb_columns() as known
        where
            known.database_name = current_database()
            and known.schema_name = 'croct'
            and known.table_name = properties.stream
            and lower(known.column_name) = lower(properties.name)
    );

-- The latest record of each key; earlier ones are skipped.
create or replace temp table latest as
select max(rowid) as place
from messages
where type = 'RECORD'
group by
    stream,
    case stream
        when 'events' then record.id
        when 'sessions' then record.sessionId
        else record.userId
    end;

delete from croct.events
where id in (select record.id from messages where type = 'RECORD' and stream = 'events');

insert into croct.events by name
select
    record.id, record.sessionId, record.userId, record."timestamp", record.context, record.payload,
    record.eventType, record.metadata, record.additionalProperties
from messages
where stream = 'events' and rowid in (select place from latest);

delete from croct.sessions
where sessionId in (select record.sessionId from messages where type = 'RECORD' and stream = 'sessions');

insert into croct.sessions by name
select
    record.sessionId, record.userId, record.parentId, record.externalUserId, record."window",
    record.closeTime, record.referrer, record.landingPageUrl, record.campaign, record.location,
    record.client, record.attributes, record.statistics, record.additionalProperties
from messages
where stream = 'sessions' and rowid in (select place from latest);

delete from croct.users
where userId in (select record.userId from messages where type = 'RECORD' and stream = 'users');

insert into croct.users by name
select
    record.userId, record.externalUserId, record.firstName, record.lastName, record.birthDate,
    record.gender, record.email, record.alternateEmail, record.phone, record.alternatePhone,
    record.address, record.avatar, record.company, record.companyUrl, record.jobTitle,
    record.activities, record.interests, record.customAttributes, record.lastModifiedTime,
    record.statistics, record.additionalProperties
from messages
where stream = 'users' and rowid in (select place from latest);

commit;

-- Only now: the state must never be ahead of the tables. Without a STATE message the file is empty.
copy (
    select value -> 'bookmarks' as bookmarks
    from messages
    where type = 'STATE'
    order by rowid desc
    limit 1
) to 'croct-state.json' (format json);
