-- SPDX-License-Identifier: Apache-2.0

--- A message of every type with every field set, by name of the type.

local opamp = require("opamp")

-- Lists and maps that are empty or could be taken for the other are marked, as
-- in what decoding gives.
local attributes = {
  ["service.name"] = "ü",
  [""] = "empty key",
  yes = true,
  no = false,
  n = -3,
  ratio = 0.5,
  list = opamp.array({ 1, "two", opamp.array({}), opamp.map({}) }),
  map = opamp.map({ a = opamp.map({ b = opamp.null }) }),
  nothing = opamp.null,
}

local headers = {
  { name = "Authorization", value = "x" },
  { name = "X", value = "" },
  { name = "Authorization", value = "y" },
}

local tls = {
  ca_pem_contents = "PEM",
  include_system_ca_certs_pool = true,
  insecure_skip_verify = true,
  min_version = "1.2",
  max_version = "1.3",
  cipher_suites = { "A", "B" },
}

local proxy = { url = "http://proxy", connect_headers = headers }

local certificate = { cert = "\0c", private_key = "k\255", ca_cert = "ca" }

local telemetry = {
  destination_endpoint = "https://x",
  headers = headers,
  certificate = certificate,
  tls = tls,
  proxy = proxy,
}

local files = {
  ["a.yaml"] = { body = "x: 1", content_type = "text/yaml", role = "main" },
  [""] = { body = "\0\255", content_type = "", role = "" },
}

local function status_of(name)
  return {
    name = name,
    agent_has_version = "1",
    agent_has_hash = "\1",
    server_offered_version = "2",
    server_offered_hash = "\2",
    status = "downloading",
    error_message = "no",
    download_details = {
      download_percent = 12.5,
      download_bytes_per_second = 1e6,
    },
  }
end

local function health_of(status, components)
  return {
    healthy = true,
    start_time = 1700000000.5,
    status_time = 1700000001.5,
    last_error = "none",
    status = status,
    components = components,
    attributes = attributes,
  }
end

local samples = {
  AnyValue = attributes.list,
  ArrayValue = { values = { 1, "x", opamp.null } },
  KeyValueList = { values = attributes },
  KeyValue = { key = "k", value = opamp.map({ a = 1 }) },
  AgentDescription = { identifying = attributes, non_identifying = { a = 1 } },
  ComponentHealth = health_of("up", { a = health_of("ä", {}),
    ["b c"] = health_of("", { d = health_of("deep", {}) }) }),
  EffectiveConfig = files,
  AgentConfigMap = files,
  AgentConfigObject = files["a.yaml"],
  RemoteConfigStatus = { hash = "\0h", status = "failed", error_message = "ü" },
  ConnectionSettingsStatus = {
    hash = "\0h", status = "applying", error_message = "ü",
  },
  PackageDownloadDetails = status_of("a").download_details,
  PackageStatus = status_of("a"),
  PackageStatuses = {
    packages = { a = status_of("a"), b = status_of("b") },
    server_provided_all_packages_hash = "\3",
    error_message = "not all",
  },
  CertificateRequest = "CSR",
  OpAMPConnectionSettingsRequest = "CSR",
  ConnectionSettingsRequest = "CSR",
  CustomCapabilities = { "com.example.a", "com.example.b" },
  CustomMessage = { capability = "com.example.a", type = "t", data = "\0\255" },
  ComponentDetails = {
    metadata = attributes,
    components = { x = { metadata = { a = 1 }, components = {} } },
  },
  TLSConnectionSettings = tls,
  ProxyConnectionSettings = proxy,
  Headers = headers,
  Header = headers[1],
  TLSCertificate = certificate,
  TelemetryConnectionSettings = telemetry,
  DownloadableFile = {
    download_url = "https://x/y",
    content_hash = "\4",
    signature = "\5",
    headers = headers,
  },
  RetryInfo = 1.5,
  ServerErrorResponse = {
    type = "unavailable", error_message = "later", retry_after = 0.25,
  },
  ServerToAgentCommand = "restart",
  AgentIdentification = ("u"):rep(16),
  AgentRemoteConfig = { files = files, hash = "\6" },
}

samples.AvailableComponents = {
  components = { receiver = samples.ComponentDetails },
  hash = "\7",
}

samples.OpAMPConnectionSettings = {
  destination_endpoint = "wss://x",
  headers = headers,
  certificate = certificate,
  heartbeat_interval_seconds = 15,
  tls = tls,
  proxy = proxy,
}

samples.OtherConnectionSettings = {
  destination_endpoint = "db:1",
  headers = headers,
  certificate = certificate,
  other_settings = { user = "x", [""] = "ü" },
  tls = tls,
  proxy = proxy,
}

samples.ConnectionSettingsOffers = {
  hash = "\8",
  opamp = samples.OpAMPConnectionSettings,
  own_metrics = telemetry,
  own_traces = telemetry,
  own_logs = telemetry,
  other_connections = { db = samples.OtherConnectionSettings },
}

samples.PackageAvailable = {
  type = "addon",
  version = "2",
  file = samples.DownloadableFile,
  hash = "\9",
}

samples.PackagesAvailable = {
  packages = { a = samples.PackageAvailable },
  all_packages_hash = "\10",
}

samples.AgentToServer = {
  instance_uid = ("u"):rep(16),
  sequence_num = 2 ^ 53 - 1,
  agent_description = samples.AgentDescription,
  capabilities = { AcceptsPackages = true, ReportsStatus = true },
  health = samples.ComponentHealth,
  effective_config = files,
  remote_config_status = samples.RemoteConfigStatus,
  package_statuses = samples.PackageStatuses,
  agent_disconnect = true,
  flags = 1,
  connection_settings_request = "CSR",
  custom_capabilities = samples.CustomCapabilities,
  custom_message = samples.CustomMessage,
  available_components = samples.AvailableComponents,
  connection_settings_status = samples.ConnectionSettingsStatus,
}

samples.ServerToAgent = {
  instance_uid = ("u"):rep(16),
  error_response = samples.ServerErrorResponse,
  remote_config = samples.AgentRemoteConfig,
  connection_settings = samples.ConnectionSettingsOffers,
  packages_available = samples.PackagesAvailable,
  flags = 3,
  capabilities = { AcceptsStatus = true, OffersPackages = true },
  agent_identification = ("v"):rep(16),
  command = "restart",
  custom_capabilities = samples.CustomCapabilities,
  custom_message = samples.CustomMessage,
}

return setmetatable(samples, { __index = {
  --- A length as protobuf has it.
  varint = function(n)
    local bytes = ""
    while n > 127 do
      bytes = bytes .. string.char(n % 128 + 128)
      n = math.floor(n / 128)
    end
    return bytes .. string.char(n)
  end,
} })
