-- Where providers' FHIR servers are, as vendors and registers publish it.

CREATE TABLE provider_endpoints (
    position BIGINT NOT NULL PRIMARY KEY,  -- in the order of names
    name TEXT NOT NULL,
    words TEXT NOT NULL,                   -- of the name, in small letters
    base_url TEXT NOT NULL
) /*rows*/;
